/**
 * `groups describe` where the broker is not Kafka, or with `--backlog` on any: lag, pending, ages and members, in the same
 * columns everywhere. What a broker does not tell is `-`, and a sentence on stderr says why.
 */

import { ShoalError } from '../../core/index.ts'
import type { BrokerPort, GroupBacklog } from '../../admin/index.ts'
import type { BrokerFlags } from '../backend.ts'
import { exitCodes } from '../exit-codes.ts'
import type { Io } from '../io.ts'
import {
  backlogJson,
  backlogMembersTable,
  backlogStateTable,
  backlogTable,
} from '../text/backlog-tables.ts'

export interface BacklogFlags extends BrokerFlags {
  readonly members?: boolean
  readonly state?: boolean
  readonly json?: boolean
}

/** @returns the exit code: a group that is not there does not keep the others from being shown */
export async function describeBacklogs(
  io: Io,
  port: BrokerPort,
  names: readonly string[],
  flags: BacklogFlags,
): Promise<number> {
  const groups: GroupBacklog[] = []
  const missing: string[] = []
  for (const name of names) {
    const group = await backlogOrNull(io, port, name)
    if (group === null) missing.push(name)
    else groups.push(group)
  }
  if (flags.json === true)
    io.out(
      `${JSON.stringify({ schema: 'shoal.groups.backlog/1', backend: port.backend, groups: groups.map(backlogJson), missing })}\n`,
    )
  else io.out(groups.map((group) => textOf(group, flags)).join('\n'))
  for (const note of new Set(groups.flatMap(({ notes }) => notes))) io.err(`\n${note}\n`)
  return missing.length === 0 ? exitCodes.done.code : exitCodes.notFound.code
}

async function backlogOrNull(io: Io, port: BrokerPort, name: string): Promise<GroupBacklog | null> {
  try {
    return await port.groupBacklog(name)
  } catch (error) {
    if (!(error instanceof ShoalError) || error.code !== 'SHOAL_UNKNOWN_GROUP') throw error
    io.err(`shoal: ${error.message}\n`)
    return null
  }
}

function textOf(group: GroupBacklog, flags: BacklogFlags): string {
  if (flags.members === true) return backlogMembersTable(group)
  if (flags.state === true) return backlogStateTable(group)
  const members = group.members.length === 0 ? '' : `\n${backlogMembersTable(group)}`
  return backlogTable(group) + members
}
