"""The entries of the catalog, by what they were trained on."""
