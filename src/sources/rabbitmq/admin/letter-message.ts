/**
 * Messages of a dead-letter queue as letters, and back as messages: pure.
 *
 * RabbitMQ's own dead-letter exchanges write `x-death`, not our headers: its newest entry says the same, in other words. A
 * message goes on with the properties it came with, but for those that RabbitMQ checks (`user-id`) or that would end it again
 * (`expiration`).
 */

import type { ConsumeMessage, GetMessage, Options } from 'amqplib'
import type { StoredLetter } from '../../../admin/index.ts'
import { DEAD_LETTER_PREFIX, type LetterHeader } from '../../../core/index.ts'
import { contentOf, messageOf, type HeaderTable } from '../message-record.ts'

type AmqpMessage = GetMessage | ConsumeMessage

const ORIGIN = `${DEAD_LETTER_PREFIX}origin-topic`
/** The headers of a record that are no plain table. */
const LISTED = 'shoal-headers'

export function letterOfMessage(queue: string, number: number, message: AmqpMessage): StoredLetter {
  const table: HeaderTable = message.properties.headers ?? {}
  const { key, value, headers } = contentOf({ body: message.content, headers: table })
  const known = headers.some((header) => header.key === ORIGIN)
  const stamp: unknown = table['shoal-timestamp']
  const seconds: unknown = message.properties.timestamp
  return {
    place: `${queue}#${number}`,
    timestampMs:
      typeof stamp === 'number' ? stamp : typeof seconds === 'number' ? seconds * 1_000 : null,
    key,
    value,
    headers: known ? headers : [...headers, ...deathHeaders(table['x-death'])],
  }
}

/** What to publish: the message with the headers that it is to have. */
export function publishOptions(
  message: AmqpMessage,
  letter: StoredLetter,
  headers: readonly LetterHeader[],
): Options.Publish {
  const { properties } = message
  const table: HeaderTable = properties.headers ?? {}
  return {
    ...onlyGiven({
      contentType: properties.contentType,
      contentEncoding: properties.contentEncoding,
      correlationId: properties.correlationId,
      replyTo: properties.replyTo,
      messageId: properties.messageId,
      type: properties.type,
      appId: properties.appId,
      priority: properties.priority,
      timestamp: properties.timestamp,
    }),
    headers: tableOf(table, letter, headers),
    persistent: true,
    mandatory: true,
  }
}

/** A table keeps the types of its producer; only what is ours is set anew. */
function tableOf(
  table: HeaderTable,
  letter: StoredLetter,
  headers: readonly LetterHeader[],
): HeaderTable {
  if (Array.isArray(table[LISTED]))
    return messageOf({ ...letter, headers }, letter.timestampMs ?? 0).headers
  const ours = headers
    .filter(({ key }) => key.startsWith(DEAD_LETTER_PREFIX))
    .map(({ key, value }) => [key, value === null ? null : Buffer.from(value)] as const)
  return { ...table, ...Object.fromEntries(ours) }
}

function deathHeaders(deaths: unknown): readonly LetterHeader[] {
  const [death] = Array.isArray(deaths) ? (deaths as unknown[]) : []
  if (typeof death !== 'object' || death === null) return []
  const { queue, reason, count } = death as Record<string, unknown>
  const said: [string, unknown][] = [
    ['origin-topic', queue],
    ['reason', reason],
    ['attempts', count],
  ]
  return said.flatMap(([name, value]) =>
    typeof value === 'string' || typeof value === 'number'
      ? [{ key: DEAD_LETTER_PREFIX + name, value: new TextEncoder().encode(String(value)) }]
      : [],
  )
}

function onlyGiven(options: Readonly<Record<string, unknown>>): Options.Publish {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
