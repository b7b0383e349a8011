"""Listening to one sound: which windows are read, and the record of what was heard in them."""
