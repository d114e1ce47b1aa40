"""What each op means, in numpy: the oracle of every numeric test, independent of the lowerings."""
