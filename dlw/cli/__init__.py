"""The command line: Typer commands and everything printed. Modules here import nothing heavy at the top."""
