"""How `dlw recipe new` decides: what lies in a folder, what its columns hold, what can be learned, and with what."""
