"""A group member that a test drives: prints what happens to it as JSON lines, does what it is told on standard input.

Argument: JSON with `conf` (the client's configuration), `topics`, and optionally `commit` ("each": synchronously after
each record), `workMs` a record, `pauseAfter` (stop polling after so many records).
Events: refused (by the client: error); subscribed; assign, revoke, lost (partitions); message (partition, offset, key,
value); processed, committed, commit-failed, commit-returned, commit-raised; paused; error; eof; closed.
Commands, a line each: commit | commit-offset P O | pause | resume | close
"""
import json, os, queue, sys, threading, time
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

job = json.loads(sys.argv[1])
commands = queue.Queue()
threading.Thread(target=lambda: [commands.put(line.strip()) for line in sys.stdin], daemon=True).start()

def say(event, **fields):
    print(json.dumps({'event': event, 'at': time.time(), **fields}), flush=True)

def partitions(listed):
    return sorted([p.topic, p.partition] for p in listed)

def offsets(listed):
    return [[p.topic, p.partition, p.offset] for p in listed]

def connections():
    """How many of this process's sockets are TCP connections (librdkafka's wake-up pipes are none)."""
    with open('/proc/self/net/tcp') as table:
        tcp = {f'socket:[{line.split()[9]}]' for line in list(table)[1:]}
    links = (os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{fd}'))
    return sum(link in tcp for link in links)

def on_commit(error, listed):
    say('committed' if error is None else 'commit-failed', error=None if error is None else error.name(),
        offsets=offsets(listed))

def commit(**what):
    """A synchronous commit, and how it went."""
    try:
        done = consumer.commit(asynchronous=False, **what)
        say('commit-returned', offsets=offsets(done))
        return True
    except KafkaException as error:
        say('commit-raised', error=error.args[0].name())
        return False

try:
    consumer = Consumer({**job['conf'], 'on_commit': on_commit})
except KafkaException as error:
    say('refused', error=error.args[0].name(), text=error.args[0].str())
    sys.exit(0)

consumer.subscribe(job['topics'],
                   on_assign=lambda _, listed: say('assign', partitions=partitions(listed)),
                   on_revoke=lambda _, listed: say('revoke', partitions=partitions(listed)),
                   on_lost=lambda _, listed: say('lost', partitions=partitions(listed)))
say('subscribed')
polling = True
received = 0
while True:
    try:
        command = commands.get_nowait().split(' ')
        if command[0] == 'commit':
            commit()
        elif command[0] == 'commit-offset':
            commit(offsets=[TopicPartition(job['topics'][0], int(command[1]), int(command[2]))])
        elif command[0] == 'pause':
            polling = False
            say('paused')
        elif command[0] == 'resume':
            polling = True
        elif command[0] == 'close':
            break
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
    if job.get('commit') == 'each' and commit(message=message):
        say('processed', partition=message.partition(), offset=message.offset())
    received += 1
    if received == job.get('pauseAfter'):
        polling = False
        say('paused')
open_before = connections()
consumer.close()
say('closed', connections=[open_before, connections()])
