"""Records as bytes: what writer and reader share."""
