"""The inspector: everything that is believed about the user, to see, question and correct."""
