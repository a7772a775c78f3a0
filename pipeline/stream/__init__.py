"""EDGE: the streaming form: claims, workers and the recorder, over Kafka (docs/STREAMING.md)."""
