"""Operations, written in the `nn` dialect: each says what ops it is."""
