"""The Kafka of the tests is that of the benchmarks."""

from bench.kafka import Broker, broker, free_port

__all__ = ["Broker", "broker", "free_port"]
