/**
 * Every measurement, one after the other: a quiet machine, please. With names, those alone: `npm run bench -- groups http`;
 * `peers` stands for what the runtime is compared with its peers in.
 */

const peers = ['work', 'open-loop', 'join']
const questions = [
  'start',
  'floor',
  'produce',
  'fetch',
  'latency',
  ...peers,
  'assignors',
  'groups',
  'restart',
  'http',
  'queues',
]
const asked = process.argv.slice(2).flatMap((name) => (name === 'peers' ? peers : [name]))
const unknown = asked.filter((name) => !questions.includes(name))
if (unknown.length > 0)
  throw new Error(`there is no ${unknown.join(', ')}; choose from peers, ${questions.join(', ')}`)
for (const question of asked.length > 0 ? asked : questions) await import(`./${question}.ts`)
