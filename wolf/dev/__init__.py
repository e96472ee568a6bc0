"""Tools for those who work on Auto Wolf: a server that plays a language model."""
