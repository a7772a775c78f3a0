"""A stream with real workers in processes of their own, which are not left in peace.

host.py     a process with everything imported that forks a worker when asked
house.py    a broker's stream, a store and the workers; what may happen to them
told.py     what the tables and the receipts say in the end, to hold against the slow replay
"""
