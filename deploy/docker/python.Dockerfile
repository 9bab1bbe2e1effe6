# The Python consumer of seed 003. python:3.12-slim alone has no confluent-kafka: the page's Deployment ends in ModuleNotFoundError.
FROM python:3.12-slim
# Without it what a consumer prints stays in a buffer, and `kubectl logs` shows nothing for minutes.
ENV PYTHONUNBUFFERED=1
RUN pip install --no-cache-dir confluent-kafka==2.8.0
WORKDIR /app
RUN useradd --create-home --uid 10001 app
USER app
CMD ["python", "/app/consumer.py"]
