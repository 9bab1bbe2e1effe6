/**
 * What every `dlq` command takes, and which topic a name means.
 *
 * A topic may be named by itself (`orders-dlq`) or by where its letters come from (`orders`): a name without the suffix gets
 * it, so that no command of these ever touches a topic of live records by mistake.
 */

import type { Command } from 'commander'
import { ShoalError } from '../../core/index.ts'
import { withBroker, type BrokerFlags } from '../backend.ts'

const DEFAULT_SUFFIX = '-dlq'

export interface DlqFlags extends BrokerFlags {
  readonly suffix: string
  readonly json?: boolean
}

export function withDlq(command: Command): Command {
  return withBroker(command)
    .option('--suffix <text>', 'what names of dead-letter topics end with', DEFAULT_SUFFIX)
    .option('--json', 'print one JSON document')
}

/** @throws ShoalError SHOAL_INVALID_ARGUMENT for an empty suffix, which would mean every topic */
export function dlqName(topic: string, { suffix }: Pick<DlqFlags, 'suffix'>): string {
  if (suffix === '')
    throw new ShoalError('SHOAL_INVALID_ARGUMENT', '--suffix: expected a text that is not empty')
  return topic.endsWith(suffix) ? topic : topic + suffix
}
