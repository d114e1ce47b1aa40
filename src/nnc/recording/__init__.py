"""What a thread has written down and not yet computed."""
