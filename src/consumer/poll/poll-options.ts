/**
 * `pollConsumer(…)`: the declaration of a poll loop, and its defaults.
 */

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { OptionCheck } from '../option-check.ts'
import type { ConsumerOptions, Decode, Decoded } from '../options.ts'
import { resolveOptions } from '../resolve-options.ts'
import type { AnyOptions } from '../resolve-options.ts'
import { openPollConsumer } from './poll-consumer.ts'
import type { AutoCommit, PollConsumer } from './poll-consumer.ts'

/** What a poll loop has of a consumer's options; `handle` is the loop. */
export interface PollOptionsBase<T> extends Omit<ConsumerOptions<T>, 'handle' | 'concurrency'> {
  /** Default false. */
  readonly autoCommit?: AutoCommit
  /** Whether `poll` tells of partition ends; default true. */
  readonly partitionEnds?: boolean
  /** Messages that are handed out or wait to be, at once; default 1,000. Fetching pauses, heartbeats go on. */
  readonly maxOpen?: number
}

export interface PollWithSchema<S extends StandardSchemaV1> extends PollOptionsBase<
  StandardSchemaV1.InferOutput<S>
> {
  readonly schema: S
  /** Default `json`. */
  readonly decode?: Decode
}

export interface PollWithoutSchema<D extends Decode> extends PollOptionsBase<Decoded[D]> {
  readonly schema?: undefined
  /** Default `bytes`. */
  readonly decode?: D
}

/** A poll loop takes its time: only a day says that a message was forgotten. */
const TIMEOUT = '24h'
/** How long a rebalance waits for messages in hand. */
const DRAIN = '5s'

/**
 * Joins a group and lets the application ask for messages, one after the other. Default order `none`: messages of a partition
 * come in order, and none waits until the one before is done; with `key` the next of a key comes when the last is done.
 *
 * @throws ShoalError SHOAL_INVALID_ARGUMENT that lists every problem of the options; what the source refuses
 *
 * @example
 * await using consumer = await pollConsumer({ group: 'audit', source, decode: 'json' })
 * for (;;) {
 *   const message = await consumer.poll('1s')
 *   if (message?.kind !== 'message') continue
 *   await save(message.value)
 *   await consumer.commit(message)
 * }
 */
export function pollConsumer<S extends StandardSchemaV1>(
  options: PollWithSchema<S>,
): Promise<PollConsumer<StandardSchemaV1.InferOutput<S>>>
export function pollConsumer<D extends Decode = 'bytes'>(
  options: PollWithoutSchema<D>,
): Promise<PollConsumer<Decoded[D]>>
export async function pollConsumer(options: object): Promise<PollConsumer<unknown>> {
  const given = options as AnyOptions & PollOptionsBase<never>
  const { autoCommit = false, partitionEnds = true, maxOpen = 1_000 } = given
  const check = new OptionCheck()
  check.that(
    [true, false, 'what-was-polled'].includes(autoCommit),
    "autoCommit: true, false or 'what-was-polled'",
  )
  check.count('maxOpen', maxOpen, 1)
  check.done()
  const settings = resolveOptions({
    order: 'none',
    timeout: TIMEOUT,
    rebalance: { drain: DRAIN },
    ...given,
    concurrency: maxOpen,
    handle: () => {},
  })
  if (autoCommit === 'what-was-polled')
    settings.logger.log(
      'warn',
      'autoCommit: what-was-polled commits messages before they are handled, and a crash loses them: use autoCommit: true',
      { group: settings.group },
    )
  return openPollConsumer(settings, autoCommit, partitionEnds)
}
