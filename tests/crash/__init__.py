"""The crash harness: every change a process makes on disk can be its last, or fail, or be lost."""
