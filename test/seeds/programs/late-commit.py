"""Takes a record, stops polling until a line comes on standard input, and then commits asynchronously.

Arguments: the client's configuration as JSON, the topic. Prints `taken`; then what the commit raised and what on_commit
was told.
"""
import json, sys
from confluent_kafka import Consumer, KafkaException

told = []
consumer = Consumer({**json.loads(sys.argv[1]), 'on_commit': lambda error, _: told.append(error and error.name())})
consumer.subscribe([sys.argv[2]])
message = None
while message is None:
    message = consumer.poll(1.0)
print('taken', flush=True)
sys.stdin.readline()
raised = None
try:
    consumer.commit(message=message, asynchronous=True)
except KafkaException as error:
    raised = error.args[0].name()
while raised is None and not told:
    consumer.poll(0.1)
print(json.dumps({'raised': raised, 'told': told[0] if told else None}), flush=True)
