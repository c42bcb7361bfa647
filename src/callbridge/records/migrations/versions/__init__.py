"""Each version says how the tables come to it from the one before."""
