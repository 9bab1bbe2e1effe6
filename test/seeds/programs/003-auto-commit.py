consumer = Consumer({
    'bootstrap.servers': 'localhost:9092',
    'group.id': 'my-service',
    'enable.auto.commit': True,
    'auto.commit.interval.ms': 5000  # Every 5 seconds
})
