"""Apache Kafka on this machine: a JVM, the server's jars, and how one node is run; for the tests' brokers too."""
