consumer = Consumer({
    'bootstrap.servers': 'localhost:9092',
    'group.id': 'my-service',
    'enable.auto.commit': True,
    'auto.commit.interval.ms': 1000
})

while True:
    msg = consumer.poll(1.0)
    if msg:
        result = process_message(msg)  # Takes 5-10 seconds
        if not result.success:
            print("Failed, will retry later")
