/**
 * `dlq`: dead letters over every broker. Looking changes nothing; sending back shows its plan first; what is deleted is gone.
 */

import type { Command } from 'commander'
import { letterFacts, type BrokerPort, type StoredLetter } from '../../admin/index.ts'
import { ShoalError } from '../../core/index.ts'
import { withBrokerPort } from '../backend.ts'
import { wholeNumber } from '../flags.ts'
import type { Io } from '../io.ts'
import { counted, deadLetterTable, letterJson, letterText } from '../text/letter-text.ts'
import { dlqName, withDlq, type DlqFlags } from './dlq-flags.ts'
import { addDlqRedrive } from './dlq-redrive.ts'

interface ShowFlags extends DlqFlags {
  readonly count: string
  readonly reason?: string
  readonly group?: string
  readonly requeue?: boolean
}

interface PurgeFlags extends DlqFlags {
  readonly yes?: boolean
}

export function addDlq(program: Command, io: Io): void {
  const dlq = program
    .command('dlq')
    .description('dead letters: what they are, sending them back, deleting them')
    .addHelpText('after', dlqHelp)
  withDlq(dlq.command('list'))
    .description(
      'topics, streams or queues of dead letters, how many are there, how old the first is',
    )
    .argument('[topic...]', 'only these; default all whose name ends with the suffix')
    .addHelpText('after', listHelp)
    .action((topics: readonly string[], flags: DlqFlags) => list(io, topics, flags))
  withDlq(dlq.command('show'))
    .description('letters, the oldest first: reason, error, attempts, origin, content')
    .argument('<topic>', 'orders-dlq, or orders')
    .option('-n, --count <count>', 'so many at most', '10')
    .option('--reason <text>', 'only letters whose reason or error has this in it')
    .option('--group <id>', 'only letters that this group gave up')
    .option('--requeue', 'RabbitMQ: take letters out and put them back, marked as delivered')
    .addHelpText('after', showHelp)
    .action((topic: string, flags: ShowFlags) => show(io, topic, flags))
  addDlqRedrive(dlq, io)
  withDlq(dlq.command('purge'))
    .description('delete the letters that are there now')
    .argument('<topic>', 'orders-dlq, or orders')
    .option('--yes', 'do it; they are gone then')
    .addHelpText('after', purgeHelp)
    .action((topic: string, flags: PurgeFlags) => purge(io, topic, flags))
}

async function list(io: Io, names: readonly string[], flags: DlqFlags): Promise<void> {
  const named = names.map((name) => dlqName(name, flags))
  dlqName('', flags)
  const topics = await withBrokerPort(io, flags, async ({ deadLetters }) =>
    named.length === 0
      ? deadLetters.list(flags.suffix)
      : Promise.all(named.map((topic) => deadLetters.describe(topic))),
  )
  if (flags.json !== true) {
    if (topics.length > 0) io.out(deadLetterTable(topics))
    else io.err(`no topic, stream or queue ends with ${flags.suffix}\n`)
    return
  }
  const listed = topics.map(({ topic, letterCount, oldestMs }) => ({
    topic,
    letters: letterCount,
    oldestSeconds: oldestMs === null ? null : oldestMs / 1_000,
  }))
  io.out(`${JSON.stringify({ schema: 'shoal.dlq.list/1', topics: listed })}\n`)
}

async function show(io: Io, name: string, flags: ShowFlags): Promise<void> {
  const count = wholeNumber('--count', flags.count, 1)
  const topic = dlqName(name, flags)
  await withBrokerPort(io, flags, async (port) => {
    const letters: StoredLetter[] = []
    for await (const letter of chosenLetters(port, topic, flags, count))
      if (flags.json === true) letters.push(letter)
      else io.out(letterText(letter))
    if (flags.json === true)
      io.out(
        `${JSON.stringify({ schema: 'shoal.dlq.show/1', topic, letters: letters.map(letterJson) })}\n`,
      )
  })
}

async function* chosenLetters(
  { deadLetters }: BrokerPort,
  topic: string,
  { reason, group, requeue = false }: ShowFlags,
  count: number,
): AsyncGenerator<StoredLetter> {
  let left = count
  const isChoosing = reason !== undefined || group !== undefined
  const limit = isChoosing ? {} : { limit: count }
  for await (const letter of deadLetters.read(topic, { requeue, ...limit })) {
    const facts = letterFacts(letter)
    if (group !== undefined && facts.group !== group) continue
    if (reason !== undefined && !`${facts.reason ?? ''} ${facts.error ?? ''}`.includes(reason))
      continue
    yield letter
    if (--left === 0) return
  }
}

async function purge(io: Io, name: string, flags: PurgeFlags): Promise<void> {
  const topic = dlqName(name, flags)
  await withBrokerPort(io, flags, async ({ deadLetters }) => {
    const { letterCount } = await deadLetters.describe(topic)
    if (flags.yes !== true)
      throw new ShoalError(
        'SHOAL_REQUEST_FAILED',
        `${topic} has ${counted(letterCount)}; nothing changed, say --yes to delete them`,
      )
    const deleted = await deadLetters.purge(topic)
    if (flags.json === true)
      io.out(`${JSON.stringify({ schema: 'shoal.dlq.purge/1', topic, deleted })}\n`)
    else io.out(`${topic}: ${counted(deleted)} deleted\n`)
  })
}

const dlqHelp = `
A record that a handler gave up goes to <topic>-dlq with headers that say why: on Kafka and Shoal a topic, on Redis a
stream, on RabbitMQ a queue. TOPIC is its name, or that of the topic its letters come from.

Examples:
  shoal dlq list
  shoal dlq show orders
  shoal dlq redrive orders --execute
  shoal dlq purge orders --yes`

const listHelp = `
RabbitMQ lists queues by its management API alone; a queue that is named is asked by AMQP.

Examples:
  shoal dlq list
  shoal dlq list orders payments --json
  shoal dlq list --broker redis://localhost:6379`

const showHelp = `
RabbitMQ can only show a message by taking it out: with --requeue letters are put back in their place, but are marked as
delivered, and count as a delivery where a queue limits those.

Examples:
  shoal dlq show orders
  shoal dlq show orders-dlq -n 1 --json | jq '.letters[0]'
  shoal dlq show orders --reason Validation --group billing
  shoal dlq show orders --broker amqp://localhost --requeue`

const purgeHelp = `
Letters that arrive while they are deleted stay. What was handed to a consumer of a queue is not deleted.

Examples:
  shoal dlq purge orders
  shoal dlq purge orders --yes`
