/**
 * Lines 279-287, what happens when a group starts with no saved offset.
 */

import { createTopic, join, publish } from './broker.ts'

await createTopic('orders', 1)
await publish('orders', ['historical'])
for (const autoOffsetReset of ['earliest', 'latest', 'none'] as const) {
  const config = { groupId: `from-${autoOffsetReset}`, topics: ['orders'], autoOffsetReset }
  await using consumer = await join('A', config)
  try {
    const before = await consumer.poll({ timeout: autoOffsetReset === 'latest' ? '200ms' : '10s' })
    if (autoOffsetReset === 'latest') await publish('orders', ['new'])
    const after = autoOffsetReset === 'latest' ? await consumer.poll({ timeout: '10s' }) : []
    const texts = [...before, ...after].map((message) => message.text())
    console.log(`${autoOffsetReset.padEnd(8)}  ${texts.join(', ')}`)
  } catch (error) {
    console.log(`${autoOffsetReset.padEnd(8)}  ${(error as { code: string }).code}`)
  }
}
