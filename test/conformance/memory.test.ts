/** The memory broker keeps the promises of the source port. */

import { MemoryBroker } from '../../src/consumer/index.ts'
import { sourceConformance } from './source-suite.ts'

sourceConformance({
  name: 'memory',
  backend: 'memory',
  open: async () => {
    const broker = new MemoryBroker()
    let topics = 0
    return {
      createTopic: async (partitionCount) => {
        const topic = `topic-${topics++}`
        broker.createTopic(topic, partitionCount)
        return topic
      },
      produce: async (records) => {
        for (const record of records) broker.append(record)
      },
      committed: async (group, topic) => {
        const found = new Map<number, { offset: number; metadata: string }>()
        for (let partition = 0; partition < broker.log.partitionCount(topic); partition++) {
          const committed = broker.group(group).committed(topic, partition)
          if (committed !== null) found.set(partition, committed)
        }
        return found
      },
      source: (topics) => broker.source({ topics }),
      expel: async (group, memberId) => broker.group(group).expire(memberId),
      close: async () => {},
    }
  },
})
