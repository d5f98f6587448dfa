"""Extents: build, write, read, reconstruct, verify, rebuild, re-encode.

Everything here works on one extent at a time and knows neither files nor
metadata: an ``ExtentRecord`` goes in or comes out, bytes go to and from disks
through a ``DiskSource``. No byte from a disk leaves this folder unverified
(P1), and nothing here ever deletes what a record may name (P5).
"""
