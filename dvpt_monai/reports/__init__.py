"""What a person reads after a run: figures and tables, drawn of arrays and rows, whatever engine these come from."""
