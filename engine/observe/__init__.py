"""What the engine counts and tells about itself: metrics and events.

Below everything else: counting must be cheap enough to stand in every path
and must never wait for a lock that a reader of the numbers holds.
"""
