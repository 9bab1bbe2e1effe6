/**
 * `topics create | list | describe | delete`.
 */

import type { Command } from 'commander'
import type { AdminPort, NewTopic } from '../../admin/index.ts'
import { ShoalError } from '../../core/index.ts'
import { withAdmin, withBackend, type BackendFlags } from '../backend.ts'
import { collect, wholeNumber } from '../flags.ts'
import { failureReport } from '../failure-report.ts'
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

interface DeleteFlags extends JsonFlags {
  readonly yes?: boolean
  readonly ifExists?: boolean
}

export function addTopics(program: Command, io: Io): void {
  const topics = program
    .command('topics')
    .description('topics: make, list, describe and delete them')
    .addHelpText('after', topicsHelp)
  withBackend(topics.command('create'))
    .description('make a topic')
    .argument('<topic>')
    .option('-p, --partitions <count>', "how many partitions; default the broker's num.partitions")
    .option('--replication-factor <count>', 'accepted for other brokers; one node serves 1')
    .option('-c, --config <name=value>', 'a topic setting by its own name; repeatable', collect, [])
    .option('--if-not-exists', 'a topic that exists already is no failure')
    .option('--json', 'print one JSON document')
    .addHelpText('after', createHelp)
    .action((name: string, flags: CreateFlags) => create(io, name, flags))
  withBackend(topics.command('list'))
    .description('the names of the topics')
    .option('--json', 'print one JSON document')
    .addHelpText('after', listHelp)
    .action((flags: JsonFlags) => list(io, flags))
  withBackend(topics.command('describe'))
    .description('partitions and settings of topics; all of them when none is named')
    .argument('[topic...]')
    .option('--json', 'print one JSON document')
    .addHelpText('after', describeHelp)
    .action((names: readonly string[], flags: JsonFlags) => describe(io, names, flags))
  withBackend(topics.command('delete'))
    .description('delete topics and everything in them')
    .argument('<topic...>')
    .option('--yes', 'do it; without this nothing is deleted')
    .option('--if-exists', 'a topic that does not exist is no failure')
    .option('--json', 'print one JSON document')
    .addHelpText('after', deleteHelp)
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
    const failures = failureReport(io)
    const described = await Promise.all(
      asked.map((name) => failures.unless(admin.describeTopic(name))),
    )
    const topics = described.filter((topic) => topic !== null)
    if (flags.json === true) {
      const documents = topics.map((topic) => ({
        ...topic,
        configs: Object.fromEntries(topic.configs),
      }))
      io.out(`${JSON.stringify({ schema: 'shoal.topics.describe/1', topics: documents })}\n`)
    } else io.out(topics.map(topicDescription).join(''))
    failures.finish(topics.length)
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
    const failures = failureReport(io)
    const deleted: string[] = []
    for (const name of names) {
      const outcome = await failures.unless(removeOne(admin, name, flags.ifExists === true))
      if (outcome === 'deleted') deleted.push(name)
      if (outcome !== null && flags.json !== true)
        io.out(
          outcome === 'deleted' ? `Deleted topic ${name}.\n` : `Topic ${name} does not exist.\n`,
        )
    }
    if (flags.json === true)
      io.out(`${JSON.stringify({ schema: 'shoal.topics.delete/1', deleted })}\n`)
    failures.finish(deleted.length)
  })
}

async function removeOne(
  admin: AdminPort,
  name: string,
  ifExists: boolean,
): Promise<'deleted' | 'absent'> {
  try {
    await admin.deleteTopic(name)
    return 'deleted'
  } catch (error) {
    if (ifExists && error instanceof ShoalError && error.code === 'SHOAL_UNKNOWN_TOPIC')
      return 'absent'
    throw error
  }
}

/** -1 lets the broker decide. */
function countOf(flag: string, value: string | undefined): number {
  return value === undefined ? -1 : wholeNumber(flag, value, 1)
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

const topicsHelp = `
Examples:
  shoal topics create orders --partitions 8 --config retention.ms=86400000
  shoal topics describe orders
  shoal topics delete orders --yes`

const createHelp = `
Examples:
  shoal topics create orders
  shoal topics create orders --partitions 8 --config retention.ms=86400000 --if-not-exists`

const listHelp = `
Examples:
  shoal topics list
  shoal topics list --json | jq -r '.topics[].name'`

const describeHelp = `
The text is that of kafka-topics.sh --describe. A topic that does not exist ends the command with exit code 3.

Examples:
  shoal topics describe orders
  shoal topics describe --json | jq '.topics[] | {name, partitionCount}'`

const deleteHelp = `
Examples:
  shoal topics delete orders --yes
  shoal topics delete orders payments --yes --if-exists`
