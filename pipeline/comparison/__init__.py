"""PURE: 1.0 uploads beside their 2.0 pre-checks, as document 001 compares them.

Frames in, results out: no clock, no files. Frames have the columns that each function names; a
visit's four keys are called ``id``, ``birth``, ``moment`` and ``type`` whatever its format.
"""
