"""A group member that a test drives: prints what happens to it as JSON lines, does what it is told on standard input.

Argument: JSON with `conf` (the client's configuration), `topics`, and optionally `commit` ("each", "each-async", "none"),
`workMs` a record, `start` ("paused": do not poll until told).
Events: assign, revoke, lost (partitions); message (partition, offset, key, value); committed, commit-failed; error; eof; closed.
Commands, a line each: commit | commit-offset P O | close | pause | resume | exit
"""
import json, queue, sys, threading, time
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

job = json.loads(sys.argv[1])
commands = queue.Queue()
threading.Thread(target=lambda: [commands.put(line.strip()) for line in sys.stdin], daemon=True).start()

def say(event, **fields):
    print(json.dumps({'event': event, 'at': time.time(), **fields}), flush=True)

def partitions(listed):
    return sorted([p.topic, p.partition] for p in listed)

def on_commit(error, listed):
    say('committed' if error is None else 'commit-failed', error=None if error is None else error.name(),
        offsets=[[p.topic, p.partition, p.offset] for p in listed])

consumer = Consumer({**job['conf'], 'on_commit': on_commit})

def on_assign(_, listed):
    say('assign', partitions=partitions(listed))

def on_revoke(_, listed):
    say('revoke', partitions=partitions(listed))

def on_lost(_, listed):
    say('lost', partitions=partitions(listed))

consumer.subscribe(job['topics'], on_assign=on_assign, on_revoke=on_revoke, on_lost=on_lost)
polling = job.get('start') != 'paused'
running = True
while running:
    try:
        command = commands.get_nowait().split(' ')
        if command[0] == 'commit':
            try:
                done = consumer.commit(asynchronous=False)
                say('commit-returned', offsets=[[p.topic, p.partition, p.offset] for p in done])
            except KafkaException as error:
                say('commit-raised', error=error.args[0].name())
        elif command[0] == 'commit-offset':
            consumer.commit(offsets=[TopicPartition(job['topics'][0], int(command[1]), int(command[2]))], asynchronous=False)
            say('commit-returned', offsets=[[job['topics'][0], int(command[1]), int(command[2])]])
        elif command[0] == 'pause':
            polling = False
            say('paused')
        elif command[0] == 'resume':
            polling = True
        elif command[0] in ('close', 'exit'):
            running = False
            continue
    except queue.Empty:
        pass
    if not polling:
        time.sleep(0.05)
        continue
    message = consumer.poll(0.1)
    if message is None:
        continue
    if message.error():
        if message.error().code() == KafkaError._PARTITION_EOF:
            say('eof', partition=message.partition(), offset=message.offset())
        else:
            say('error', error=message.error().name(), text=message.error().str())
        continue
    text = lambda raw: None if raw is None else raw.decode()
    say('message', topic=message.topic(), partition=message.partition(), offset=message.offset(),
        key=text(message.key()), value=text(message.value()))
    if job.get('workMs'):
        time.sleep(job['workMs'] / 1000)
    if job.get('commit') == 'each':
        try:
            consumer.commit(message=message, asynchronous=False)
            say('processed', partition=message.partition(), offset=message.offset())
        except KafkaException as error:
            say('commit-raised', error=error.args[0].name(), partition=message.partition(), offset=message.offset())
    elif job.get('commit') == 'each-async':
        consumer.commit(message=message, asynchronous=True)
consumer.close()
say('closed')
