"""Edge: the store. Delta tables, the raw archive, the journal, and the protocol that ties them."""
