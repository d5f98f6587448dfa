"""The code: data slices to parity, and any k fragments to the others.

It transforms bytes it is given and refuses to do more: it neither reads nor
checks anything. Callers verify every source before and every result after (P1).
"""
