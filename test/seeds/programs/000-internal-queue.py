import threading
import queue
from confluent_kafka import Consumer

# Buffer for internal processing
internal_queue = queue.Queue(maxsize=1000)

def consumer_thread():
    c = Consumer(conf)
    c.subscribe(['topic'])
    while True:
        msg = c.poll(1.0)
        if msg:
             # Fast: Put in queue and commit
             # Note: For strong exactly-once, you might need to coordinate commits
             # with the processor, but for throughput:
             if not msg.error():
                 internal_queue.put(msg)
                 c.commit(asynchronous=True)

def processor_thread():
    while True:
        msg = internal_queue.get()
        # Slow processing here
        slow_api_call(msg)
        internal_queue.task_done()
