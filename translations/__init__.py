"""Keeps the catalogues: takes the texts out of the code, and a language's forms from the CLDR."""
