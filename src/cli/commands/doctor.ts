/**
 * `doctor`: what is wrong with groups as they are, with the settings of a consumer, and with the configuration here, each
 * with its fix. Ends with 1 when something is.
 */

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { AdminPort, Finding } from '../../admin/index.ts'
import { clientAdvice, groupAdvice, viewGroup } from '../../admin/index.ts'
import { messageOf, ShoalError } from '../../core/index.ts'
import { withAdmin, withBackend, type BackendFlags } from '../backend.ts'
import { exitCodes } from '../exit-codes.ts'
import type { Io } from '../io.ts'
import { findingsText } from '../text/findings.ts'

interface DoctorFlags extends BackendFlags {
  readonly properties?: string
  readonly handlerTime?: string
  readonly groups: boolean
  readonly json?: boolean
}

export function addDoctor(program: Command, io: Io): void {
  withBackend(program.command('doctor'))
    .description('what is wrong with groups, with a consumer’s settings, and how to mend it')
    .argument('[group...]', 'these groups; default: all')
    .option(
      '--properties <file>',
      'settings of a consumer by Kafka’s names: name=value, a line each',
    )
    .option('--handler-time <duration>', 'how long a record is worked on, such as 30s')
    .option('--no-groups', 'ask no broker')
    .option('--json', 'print one JSON document')
    .addHelpText('after', doctorHelp)
    .action((groups: readonly string[], flags: DoctorFlags) => doctor(io, groups, flags))
}

async function doctor(io: Io, groups: readonly string[], flags: DoctorFlags): Promise<void> {
  const findings = [
    ...(await clientFindings(io, flags)),
    ...(flags.groups ? await withAdmin(io, flags, (admin) => groupFindings(admin, groups)) : []),
  ]
  io.out(
    flags.json === true
      ? `${JSON.stringify({ schema: 'shoal.doctor/1', findings })}\n`
      : findingsText(findings),
  )
  if (findings.some(({ severity }) => severity === 'warn')) io.setExitCode(exitCodes.failed.code)
}

async function groupFindings(
  admin: AdminPort,
  groups: readonly string[],
): Promise<readonly Finding[]> {
  const listed = groups.length > 0 ? groups : await namesOf(admin)
  const facts = await Promise.all(listed.map((group) => viewGroup(admin, group)))
  return groupAdvice(facts)
}

/** Share groups have no offsets of their own to look at. */
async function namesOf(admin: AdminPort): Promise<readonly string[]> {
  const listed = await admin.listGroups()
  return listed.filter(({ type }) => type !== 'Share').map(({ groupId }) => groupId)
}

async function clientFindings(io: Io, flags: DoctorFlags): Promise<readonly Finding[]> {
  const { properties, handlerTime } = flags
  if (properties === undefined && handlerTime === undefined) return []
  const { parseDuration } = await import('../../consumer/index.ts')
  const handlerMs = handlerTime === undefined ? null : parseDuration(handlerTime)
  if (handlerMs === undefined)
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `--handler-time ${handlerTime}: expected a duration such as 30s`,
    )
  const text = properties === undefined ? '' : await readProperties(io, properties)
  return clientAdvice({ properties: parseProperties(text), handlerMs })
}

async function readProperties(io: Io, file: string): Promise<string> {
  try {
    return await readFile(resolve(io.cwd, file), 'utf8')
  } catch (cause) {
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `--properties ${file} cannot be read: ${messageOf(cause)}`,
      { cause },
    )
  }
}

/** Java's simplest form: `name=value`, comments with `#` or `!`. */
function parseProperties(text: string): ReadonlyMap<string, string> {
  const pairs = text.split(/\r?\n/).flatMap((line) => {
    const [, name, value] = /^\s*([^#!\s=:][^=:]*?)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? []
    return name === undefined ? [] : [[name, value ?? ''] as const]
  })
  return new Map(pairs)
}

const doctorHelp = `
Of groups it names members without a partition, lag that nobody works on, a partition that holds nearly all of the
lag. Of a consumer's settings: auto-commit beside slow handlers, a loop that does not poll, heartbeats and session
timeouts that do not go together, a first start that skips what is there, rebalances that stop everything.

Examples:
  shoal doctor -b localhost:9092
  shoal doctor billing
  shoal doctor --no-groups --properties consumer.properties --handler-time 30s`
