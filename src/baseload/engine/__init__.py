"""A real engine on this machine's CPU: OpenVINO GenAI behind a small server that speaks OpenAI's format."""
