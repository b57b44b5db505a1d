from components.data_processing.generate_dataset.component import generate_dataset

__all__ = ["generate_dataset"]
