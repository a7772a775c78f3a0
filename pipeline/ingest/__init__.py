"""Edge: files and folders → uploads, unpacked within limits."""
