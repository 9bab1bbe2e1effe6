/** Publishing and reading without a group: see `src/http/routes-messages.ts`. */

import type { BrokerRoutes, Handlers, ProblemCode } from '../../http/index.ts'
import { Problem, problem } from '../../http/index.ts'
import type { PartitionLog } from '../../log/index.ts'
import type { Topic } from '../topics/topic-table.ts'
import type { HttpContext } from './http-context.ts'
import { messageJson } from './message-json.ts'
import { publishMessages } from './publish.ts'
import { readRecords } from './read-partition.ts'
import { knownTopic, wantedTopic } from './topic-lookup.ts'

type MessageHandlers = Pick<Handlers<BrokerRoutes>, 'publish' | 'readPartition'>

/** Topics whose turn is remembered. */
const MOST_TURNS = 10_000

export function messageHandlers({ context }: HttpContext): MessageHandlers {
  const turns = new KeylessTurns()
  /** A topic that is deleted while it is read takes its logs with it: that is neither damage nor a wrong number. */
  const unlessGone = ({ topicId, name }: Topic, code: ProblemCode, detail: string) =>
    context.topics.table.byId(topicId) === undefined
      ? problem('UNKNOWN_TOPIC', `the topic ${name} was deleted meanwhile`)
      : problem(code, detail)
  return {
    publish: async ({ params, body }) => {
      const topic = wantedTopic(context, params.topic)
      if (topic instanceof Problem) return topic
      const { partitioner = 'murmur2' } = body
      const results = await publishMessages(context, {
        topic,
        messages: 'messages' in body ? body.messages : [body],
        partitioner: partitioner === 'murmur2' ? 'murmur2' : 'crc32',
        keylessPartition: turns.next(topic.topicId) % topic.partitionCount,
      })
      return results instanceof Problem ? results : { results: [...results] }
    },
    readPartition: async ({ params, query }) => {
      const topic = knownTopic(context, params.topic)
      if (topic instanceof Problem) return topic
      const log = await context.topics.log(topic, params.partition)
      if (log === null)
        return unlessGone(
          topic,
          'UNKNOWN_PARTITION',
          `the topic ${topic.name} has the partitions 0 to ${topic.partitionCount - 1}, not ${params.partition}`,
        )
      const { limit, max_bytes: maxBytes } = query
      const offset = startOf(log, query.offset)
      const read = await readRecords(log, { offset, maxRecords: limit, maxBytes })
      const { logStartOffset, highWatermark } = log
      const range = { log_start_offset: logStartOffset, log_end_offset: highWatermark }
      if (read === 'OFFSET_OUT_OF_RANGE')
        return problem(
          'OFFSET_OUT_OF_RANGE',
          `the offset ${offset} of ${topic.name}-${params.partition} is not from ${logStartOffset} to ${highWatermark}`,
          { extras: range },
        )
      if (read === 'KAFKA_STORAGE_ERROR')
        return unlessGone(
          topic,
          'STORAGE_DAMAGED',
          `the bytes of ${topic.name}-${params.partition} at offset ${offset} are damaged: ${log.corrupt ?? 'they cannot be read'}`,
        )
      const place = { topic: topic.name, partition: params.partition }
      return {
        messages: read.records.map((record) => messageJson(place, record)),
        next_offset: read.nextOffset,
        ...range,
      }
    },
  }
}

function startOf(log: PartitionLog, asked: number | 'earliest' | 'latest'): number {
  if (asked === 'earliest') return log.logStartOffset
  return asked === 'latest' ? log.highWatermark : asked
}

/** Messages without a key take the partitions in turn, a request each. Soft state: a restart begins with 0. */
class KeylessTurns {
  readonly #turns = new Map<string, number>()

  next(topicId: string): number {
    const turn = this.#turns.get(topicId) ?? 0
    if (this.#turns.size >= MOST_TURNS) this.#turns.clear()
    this.#turns.set(topicId, (turn + 1) % Number.MAX_SAFE_INTEGER)
    return turn
  }
}
