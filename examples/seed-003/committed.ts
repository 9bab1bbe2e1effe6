/** What a group has committed for partition 0 of a topic: asks the broker each time. */

import { committedOffsets, KafkaClient } from 'shoal/kafka'

export function openKafkaOffsets(
  brokers: string,
  group: string,
  topic: string,
): () => Promise<number | null> {
  return async () => {
    await using client = await KafkaClient.open({ brokers })
    const found = await committedOffsets(client, group, [{ topic, partition: 0 }])
    return [...found.values()][0]?.offset ?? null
  }
}
