/**
 * Runs the programs of the seed documents: letter for letter, but for the address, and for what the page leaves open.
 *
 * One function for each page's program says what is filled in; topics and groups are the scenario's own where the page's
 * names are not part of what it prints.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Program } from '../real/program.ts'
import { startPython, type PythonKind } from '../real/python.ts'

const PROGRAMS = join(import.meta.dirname, 'programs')
const CLUSTER_ADDRESS = 'task-events-kafka-bootstrap.kafka.svc.cluster.local:9092'

export interface SeedRun {
  readonly program: string
  /** Each text must be in the program, and is replaced everywhere. */
  readonly replace: Readonly<Record<string, string>>
  /** What the page supposes to exist before the program's first line. */
  readonly before?: string
  /** What the page supposes to follow. */
  readonly after?: string
  /** In a terminal of its own, as a person at a keyboard runs it. */
  readonly terminal?: boolean
}

/** Where a program plays; a `Stage` is one. */
export interface Place {
  readonly bootstrap: string
  readonly group: string
  readonly topic: string
}

export async function seedText({
  program,
  replace,
  before = '',
  after = '',
}: SeedRun): Promise<string> {
  let text = await readFile(join(PROGRAMS, program), 'utf8')
  for (const [from, to] of Object.entries(replace)) {
    if (!text.includes(from)) throw new Error(`${program} has no ${from}`)
    text = text.replaceAll(from, to)
  }
  return `${before}\n${text}\n${after}`
}

/** Starts the program; its output comes unbuffered, line by line, and its input stays open. */
export async function startSeed(kind: PythonKind, run: SeedRun): Promise<Program> {
  const args = ['-c', await seedText(run)]
  const terminal = run.terminal === true ? [join(PROGRAMS, 'terminal.py')] : []
  return startPython(kind, [...terminal, ...args], { keepInputOpen: true })
}

/** Seed 000's poll loop. @param work the body of `process_records(msg)`, a statement a line. @param conf further settings. */
export function pollLoop(place: Place, work: readonly string[], conf = ''): SeedRun {
  return {
    program: '000-poll-loop.py',
    replace: {
      'kafka-broker1:9092': place.bootstrap,
      'my-transaction-processor-group': place.group,
      InputTopicName: place.topic,
      '    # Your processing logic here\n    pass': work.map((line) => `    ${line}`).join('\n'),
      "'enable.auto.commit': False": `'enable.auto.commit': False${conf}`,
    },
  }
}

/** Seed 000's queue pattern with its two threads running. @param call the body of `slow_api_call(msg)`. */
export function queuePattern(
  place: Place,
  call: readonly string[],
  replace: Readonly<Record<string, string>> = {},
): SeedRun {
  return {
    program: '000-internal-queue.py',
    before: `
import sys, time
conf = {'bootstrap.servers': '${place.bootstrap}', 'group.id': '${place.group}', 'auto.offset.reset': 'earliest',
        'enable.auto.commit': False, 'session.timeout.ms': 12000, 'max.poll.interval.ms': 12000}
def slow_api_call(msg):
${call.map((line) => `    ${line}`).join('\n')}
`,
    replace: { "'topic'": `'${place.topic}'`, ...replace },
    after: `
threads = [threading.Thread(target=f) for f in (consumer_thread, processor_thread)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
`,
  }
}

/** Seed 003's complete poll loop. @param conf further settings. */
export function completeLoop(place: Omit<Place, 'topic'>, conf = ''): SeedRun {
  return {
    program: '003-complete-poll-loop.py',
    replace: {
      [CLUSTER_ADDRESS]: place.bootstrap,
      "'group.id': 'task-notification-service'": `'group.id': '${place.group}'`,
      "'auto.commit.interval.ms': 5000": `'auto.commit.interval.ms': 5000${conf}`,
    },
  }
}

/** The same on another topic than the page's `task-created`. */
export function completeLoopOn(place: Place, conf = ''): SeedRun {
  const run = completeLoop(place, conf)
  return { ...run, replace: { ...run.replace, 'task-created': place.topic } }
}

/** Seed 003's basic configuration. */
export function basicConfiguration(place: Place, after: string): SeedRun {
  return {
    program: '003-basic-configuration.py',
    replace: { [CLUSTER_ADDRESS]: place.bootstrap, 'task-notification-service': place.group },
    after,
  }
}

/** Seed 003's manual commit program. @param save the body of `save_to_audit_log(value)`. */
export function manualCommit(place: Place, save: readonly string[]): SeedRun {
  return {
    program: '003-manual-commit.py',
    before: `
import json
running = True
def save_to_audit_log(value):
${save.map((line) => `    ${line}`).join('\n')}
`,
    replace: {
      [CLUSTER_ADDRESS]: place.bootstrap,
      'task-audit-service': place.group,
      'task-created': place.topic,
    },
  }
}

/** Seed 003's first prompt: a consumer that loses messages. @param work the body of `process_message(msg)`. */
export function losingMessages(place: Place, work: readonly string[]): SeedRun {
  return {
    program: '003-losing-messages.py',
    before: `
import sys, time, types
from confluent_kafka import Consumer
def process_message(msg):
${work.map((line) => `    ${line}`).join('\n')}
    return types.SimpleNamespace(success=True)
`,
    replace: {
      'localhost:9092': place.bootstrap,
      'my-service': place.group,
      // The page subscribes nowhere.
      'while True:': `consumer.subscribe(['${place.topic}'])\nwhile True:`,
    },
  }
}

/** Seed 003's auto-commit fragment, in a loop. @param work what is done with each `msg`. */
export function autoCommit(place: Place, work: readonly string[]): SeedRun {
  return {
    program: '003-auto-commit.py',
    before: 'import sys\nfrom confluent_kafka import Consumer',
    replace: { 'localhost:9092': place.bootstrap, 'my-service': place.group },
    after: `
consumer.subscribe(['${place.topic}'])
while True:
    msg = consumer.poll(1.0)
    if msg is None: continue
${work.map((line) => `    ${line}`).join('\n')}
`,
  }
}

/**
 * Seed 003's idempotent example in its at-least-once pattern, with an audit log of files in a folder.
 *
 * A task `broken` fails. `crashAfterInsert` kills the process between the insert and the commit.
 */
export async function idempotent(
  place: Place,
  folder: string,
  { crashAfterInsert }: { readonly crashAfterInsert: boolean },
): Promise<SeedRun> {
  const pattern = await seedText({ program: '003-at-least-once.py', replace: {} })
  return {
    program: '003-idempotent.py',
    replace: {},
    before: `
import json, logging, os, pathlib, signal, types
from confluent_kafka import Consumer
logger = logging.getLogger()
folder = pathlib.Path('${folder}')
audit_log = types.SimpleNamespace(
    exists=lambda task: (folder / task).exists(),
    insert=lambda task, event: (folder / task).write_text(json.dumps(event)))
def Result(success, skipped=None, error=None):
    return types.SimpleNamespace(success=success, skipped=skipped, error=error)
`,
    after: `
of_the_page = process_task_event
def process_task_event(event):
    if event['id'] == 'broken':
        return Result(success=False, error='no such task')
    result = of_the_page(event)
    print(f'skipped={result.skipped}', flush=True)
    if ${crashAfterInsert ? 'True' : 'False'}: os.kill(os.getpid(), signal.SIGKILL)
    return result

consumer = Consumer({'bootstrap.servers': '${place.bootstrap}', 'group.id': '${place.group}',
                     'auto.offset.reset': 'earliest', 'enable.auto.commit': False, 'session.timeout.ms': 12000})
consumer.subscribe(['${place.topic}'])
while True:
    msg = consumer.poll(1.0)
    if msg is None: continue
    value = json.loads(msg.value())
${pattern.replaceAll(/^(?=.)/gm, '    ')}
    print('entries', len(list(folder.iterdir())), flush=True)
`,
  }
}
