# Lines 338-343: two members on six partitions, which share them by range; then the group as the page shows it.
curl -s -X POST http://localhost:8080/topics \
  -H "Content-Type: application/json" \
  -d '{"name": "orders", "num_partitions": 6}' > /dev/null
for member in consumer-1 consumer-2; do
  curl -s -X POST http://localhost:8080/groups/order-service/join \
    -H "Content-Type: application/json" \
    -d '{"member_id": "'$member'", "topics": ["orders"], "assignor": "range"}' > /dev/null
done
# The first hears that it has to give partitions up, and gives them up by coming again.
for member in consumer-1 consumer-1 consumer-2; do
  curl -s -X POST http://localhost:8080/groups/order-service/heartbeat \
    -H "Content-Type: application/json" -d '{"member_id": "'$member'"}' > /dev/null
done

# Get group details
curl -s http://localhost:8080/groups/order-service
