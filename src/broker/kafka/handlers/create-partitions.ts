/** CreatePartitions v0-3: a topic gets more partitions, never fewer. */

import type { KafkaErrorName } from '../../../protocol/index.ts'
import { createPartitions } from '../../../protocol/index.ts'
import { duplicates, handler } from './define.ts'

export const handleCreatePartitions = handler(createPartitions, async ({ request, context }) => {
  const twice = duplicates(request.topics.map((topic) => topic.name))
  const answers = new Map<string, Outcome & { readonly name: string }>()
  for (const topic of request.topics) {
    const { errorCode, errorMessage } = twice.has(topic.name)
      ? DUPLICATE
      : context.topics.decide({ kind: 'add-partitions', ...topic }, request.validateOnly)
    answers.set(topic.name, { name: topic.name, errorCode, errorMessage })
  }
  await context.topics.flushed()
  return { throttleTimeMs: 0, results: [...answers.values()] }
})

interface Outcome {
  readonly errorCode: KafkaErrorName
  readonly errorMessage: string | null
}

const DUPLICATE: Outcome = { errorCode: 'INVALID_REQUEST', errorMessage: 'Duplicate topic name.' }
