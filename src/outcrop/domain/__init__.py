"""The words of the house: names, states, plans, events and errors. Knows no library and no file."""
