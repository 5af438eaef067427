# A container as a service would have it: no root, no home, nothing to write to.
FROM python:3.12-slim
COPY . /source
RUN pip install --no-cache-dir /source && rm -rf /source
CMD ["python", "-m", "fastnn"]
