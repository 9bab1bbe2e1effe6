/**
 * Every measurement, one after the other: a quiet machine, please. With names, those alone: `npm run bench -- groups http`.
 */

const questions = [
  'start',
  'floor',
  'produce',
  'fetch',
  'latency',
  'runtime',
  'assignors',
  'groups',
  'restart',
  'http',
  'queues',
]
const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !questions.includes(name))
if (unknown.length > 0)
  throw new Error(`there is no ${unknown.join(', ')}; choose from ${questions.join(', ')}`)
for (const question of asked.length > 0 ? asked : questions) await import(`./${question}.ts`)
