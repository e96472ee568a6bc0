"""Proposals of language models, from the prompt to the checked edit, on the books."""
