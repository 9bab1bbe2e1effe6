/**
 * `topics create | list | describe | delete`.
 */

import type { Command } from 'commander'
import type { NewTopic } from '../../admin/index.ts'
import { ShoalError } from '../../core/index.ts'
import { withAdmin, withBackend, type BackendFlags } from '../backend.ts'
import type { Io } from '../io.ts'
import { topicDescription } from '../text/topic-tables.ts'

interface JsonFlags extends BackendFlags {
  readonly json?: boolean
}

interface CreateFlags extends JsonFlags {
  readonly partitions?: string
  readonly replicationFactor?: string
  readonly config: readonly string[]
  readonly ifNotExists?: boolean
}

interface DeleteFlags extends BackendFlags {
  readonly yes?: boolean
  readonly ifExists?: boolean
}

export function addTopics(program: Command, io: Io): void {
  const topics = program
    .command('topics')
    .description('topics: make, list, describe and delete them')
  withBackend(topics.command('create'))
    .description('make a topic')
    .argument('<topic>')
    .option('-p, --partitions <count>', "how many partitions; default the broker's num.partitions")
    .option('--replication-factor <count>', 'accepted for other brokers; one node serves 1')
    .option(
      '-c, --config <name=value>',
      'a topic setting by its own name; repeatable',
      (value: string, all: readonly string[]) => [...all, value],
      [],
    )
    .option('--if-not-exists', 'a topic that exists already is no failure')
    .option('--json', 'print one JSON document')
    .action((name: string, flags: CreateFlags) => create(io, name, flags))
  withBackend(topics.command('list'))
    .description('the names of the topics')
    .option('--json', 'print one JSON document')
    .action((flags: JsonFlags) => list(io, flags))
  withBackend(topics.command('describe'))
    .description('partitions and settings of topics; all of them when none is named')
    .argument('[topic...]')
    .option('--json', 'print one JSON document')
    .action((names: readonly string[], flags: JsonFlags) => describe(io, names, flags))
  withBackend(topics.command('delete'))
    .description('delete topics and everything in them')
    .argument('<topic...>')
    .option('--yes', 'do it; without this nothing is deleted')
    .option('--if-exists', 'a topic that does not exist is no failure')
    .action((names: readonly string[], flags: DeleteFlags) => remove(io, names, flags))
}

async function create(io: Io, name: string, flags: CreateFlags): Promise<void> {
  const topic: NewTopic = {
    name,
    partitionCount: countOf('--partitions', flags.partitions),
    replicationFactor: countOf('--replication-factor', flags.replicationFactor),
    configs: new Map(flags.config.map(configOf)),
  }
  await withAdmin(io, flags, async (admin) => {
    const created = await admin.createTopic(topic).catch((error: unknown) => {
      if (flags.ifNotExists === true && errorNameOf(error) === 'TOPIC_ALREADY_EXISTS') return null
      throw error
    })
    if (flags.json === true)
      io.out(`${JSON.stringify({ schema: 'shoal.topics.create/1', topic: created })}\n`)
    else io.out(created === null ? `Topic ${name} exists.\n` : `Created topic ${name}.\n`)
  })
}

async function list(io: Io, flags: JsonFlags): Promise<void> {
  const topics = await withAdmin(io, flags, (admin) => admin.listTopics())
  if (flags.json === true) io.out(`${JSON.stringify({ schema: 'shoal.topics.list/1', topics })}\n`)
  else io.out(topics.map(({ name }) => `${name}\n`).join(''))
}

async function describe(io: Io, names: readonly string[], flags: JsonFlags): Promise<void> {
  await withAdmin(io, flags, async (admin) => {
    const asked = names.length > 0 ? names : (await admin.listTopics()).map(({ name }) => name)
    const topics = await Promise.all(asked.map((name) => admin.describeTopic(name)))
    if (flags.json === true) {
      const documents = topics.map((topic) => ({
        ...topic,
        configs: Object.fromEntries(topic.configs),
      }))
      io.out(`${JSON.stringify({ schema: 'shoal.topics.describe/1', topics: documents })}\n`)
    } else io.out(topics.map(topicDescription).join(''))
  })
}

async function remove(io: Io, names: readonly string[], flags: DeleteFlags): Promise<void> {
  if (flags.yes !== true) {
    throw new ShoalError(
      'SHOAL_REQUEST_FAILED',
      `deleting ${names.join(', ')} deletes every record in it; say --yes to do it`,
    )
  }
  await withAdmin(io, flags, async (admin) => {
    for (const name of names) {
      await admin.deleteTopic(name).catch((error: unknown) => {
        if (
          flags.ifExists === true &&
          error instanceof ShoalError &&
          error.code === 'SHOAL_UNKNOWN_TOPIC'
        )
          return
        throw error
      })
      io.err(`deleted topic ${name}\n`)
    }
  })
}

function countOf(flag: string, value: string | undefined): number {
  if (value === undefined) return -1
  const count = Number(value)
  if (!Number.isInteger(count) || count < 1)
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `${flag} ${value}: expected a whole number of at least 1`,
    )
  return count
}

function configOf(pair: string): readonly [string, string] {
  const at = pair.indexOf('=')
  if (at <= 0)
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `--config ${pair}: expected name=value, such as retention.ms=60000`,
    )
  return [pair.slice(0, at), pair.slice(at + 1)]
}

function errorNameOf(error: unknown): unknown {
  return error instanceof ShoalError ? error.details['error'] : undefined
}
