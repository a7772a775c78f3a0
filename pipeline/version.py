"""The engine's version, which every verdict carries. The same as the distribution's."""

ENGINE = "0.1.0"
