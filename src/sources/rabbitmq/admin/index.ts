export { openRabbitAdmin, type RabbitAdminOptions } from './rabbit-admin.ts'
