import { ShoalProcess } from './test/real/shoal.ts'
import { residentMiB } from './bench/contest.ts'
import { readFileSync } from 'node:fs'
for (let i = 0; i < 3; i++) {
await using broker = await ShoalProcess.start()
await broker.stop()
const s = performance.now()
await broker.start()
console.log(performance.now() - s, await residentMiB(broker.pid), readFileSync(`/proc/${broker.pid}/status`, 'utf8').match(/VmRSS.*|RssAnon.*|RssFile.*/g))
}
