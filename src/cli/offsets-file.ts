/**
 * Offsets of partitions as text: `topic,partition,offset`, one a line, as `groups reset --export` and Kafka's own tool
 * write them. Empty lines are skipped; whatever else is wrong is told with its line. Pure.
 */

import { partitionKey, type NewOffset } from '../admin/index.ts'
import { ShoalError } from '../core/index.ts'

/** The order given. @throws ShoalError SHOAL_INVALID_ARGUMENT, naming file and line */
export function parseOffsets(name: string, text: string): readonly NewOffset[] {
  const found = new Map<string, NewOffset>()
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue
    const offset = offsetOf(line)
    if (offset === null)
      throw invalid(
        `${name}:${index + 1}: expected topic,partition,offset such as orders,0,1234, not ${shown(line)}`,
      )
    const key = partitionKey(offset)
    if (found.has(key)) throw invalid(`${name}:${index + 1}: ${key} is there twice`)
    found.set(key, offset)
  }
  if (found.size === 0) throw invalid(`${name} holds no offsets`)
  return [...found.values()]
}

/** What `parseOffsets` reads, with the empty line at the end that Kafka's tool prints. */
export function offsetsText(offsets: readonly NewOffset[]): string {
  const lines = offsets.map(({ topic, partition, offset }) => `${topic},${partition},${offset}\n`)
  return `${lines.join('')}\n`
}

function offsetOf(line: string): NewOffset | null {
  const [, topic, partition, offset] =
    /^\s*([\w.-]+)\s*,\s*(\d{1,10})\s*,\s*(\d{1,16})\s*$/.exec(line) ?? []
  if (topic === undefined || !Number.isSafeInteger(Number(offset))) return null
  return { topic, partition: Number(partition), offset: Number(offset) }
}

function shown(line: string): string {
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line)
}

function invalid(message: string): ShoalError {
  return new ShoalError('SHOAL_INVALID_ARGUMENT', message)
}
